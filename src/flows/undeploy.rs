use super::Context;
use crate::{engine::Ending, failure::Failure, plan::stack::ParsedStack};
pub async fn undeploy(_: &Context<'_>, _: &[ParsedStack], _: bool) -> Result<Ending, Failure> {
    Ok(Ending::default())
}
