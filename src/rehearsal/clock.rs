use jiff::Timestamp;

/// Returns the second that it is: Kubernetes writes times in whole seconds, and none that is yet to come.
pub fn this_second() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
