//! Questions about who the user is and what they may do: the rehearsal has one user, who may do all.

use http::StatusCode;
use serde_json::{Value, json};

use super::reply::{self, Reply};
use crate::rehearsal::object::status::Status;

/// Answers a review. What was asked needs no reading: the answer is the same.
///
/// # Errors
/// 404 for unknown kinds of review.
pub(super) fn answer(group: &str, plural: &str) -> Result<Reply, Status> {
    let allowed = json!({"allowed": true, "reason": "the only user of a rehearsal may do everything"});
    let (kind, status) = match plural {
        "selfsubjectaccessreviews" => ("SelfSubjectAccessReview", allowed),
        "subjectaccessreviews" => ("SubjectAccessReview", allowed),
        "selfsubjectrulesreviews" => ("SelfSubjectRulesReview", rules()),
        "selfsubjectreviews" => ("SelfSubjectReview", user()),
        _ => return Err(Status::no_such_path()),
    };
    let version = format!("{group}/v1");
    let review = json!({"kind": kind, "apiVersion": version, "metadata": {}, "spec": {}, "status": status});
    Ok(reply::json(StatusCode::CREATED, &review))
}

fn rules() -> Value {
    json!({
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}

fn user() -> Value {
    json!({"userInfo": {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}})
}
