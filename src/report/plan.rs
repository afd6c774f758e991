//! A plan as lines.

use crate::model::Action;

/// Returns the plan as people read it; `+` makes, `~` changes, `-` removes.
pub fn render(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "nothing to change".into();
    }
    let mut lines: Vec<_> = actions.iter().map(|action| format!("{} {action}", action.sign())).collect();
    lines.push(format!("{} to do", actions.len()));
    lines.join("\n")
}
