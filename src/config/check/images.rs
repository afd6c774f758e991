//! `[images]`: two answers to one question, an answer without a question, or none.

use super::Check;
use crate::config::LoginSection;

pub(super) fn check(check: &mut Check<'_>) {
    let images = &check.config.images;
    if images.tag.is_some() && images.tag_by.is_some() {
        let hint = "`tag` gives all images the same one: keep one of the two";
        check.value(&["images", "tag-by"], "there is a `tag` already", hint.to_owned());
    }
    if images.plain_http && images.registry.is_none() {
        let hint = "`registry = \"10.0.0.2:5000\"`, or leave it out";
        check.value(&["images", "plain-http"], "there is no registry that it would be said of", hint.to_owned());
    }
    login(check, "login", images.login.as_ref());
    login(check, "pull-login", images.pull_login.as_ref());
    if images.pull_login.is_some() && !images.pull_secret {
        let hint = "keep one of the two".to_owned();
        check.value(&["images", "pull-secret"], "`pull-login` is the login of the pull secret", hint);
    }
}

fn login(check: &mut Check<'_>, key: &str, login: Option<&LoginSection>) {
    let Some(login) = login else { return };
    if check.config.images.registry.is_none() {
        let hint = "`registry = \"docker.io/you\"`, or leave it out".to_owned();
        check.key(&["images", key], "there is no registry to log in to", hint);
    }
    match (&login.user, &login.user_env) {
        (Some(_), Some(_)) => {
            let hint = "keep one of the two".to_owned();
            check.value(&["images", key, "user-env"], "the user is named by `user` already", hint);
        }
        (None, None) => {
            let hint = "`user = \"you\"`, or `user-env = \"REGISTRY_USER\"` for the name of a variable".to_owned();
            check.key(&["images", key], "a login has a user", hint);
        }
        _ => {}
    }
}
