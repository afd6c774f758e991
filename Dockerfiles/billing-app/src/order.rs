//! An order, as clients send it and messages hold it.

use serde_json::Value;

const LONGEST_USER: usize = 100;
const LONGEST_AMOUNT: usize = 12;

#[derive(Debug, PartialEq)]
pub struct Order {
    pub user_id: String,
    pub number_of_items: i32,
    /// A decimal number with at most two decimals.
    pub total_amount: String,
}

impl Order {
    /// Each value may be a JSON number or a string. The error lists every problem.
    pub fn from_json(order: &Value) -> Result<Self, Vec<String>> {
        if !order.is_object() {
            return Err(vec!["an order is a JSON object".into()]);
        }
        let mut problems = Vec::new();
        let mut read = |name| {
            let value = text(&order[name]);
            problems.extend(value.as_ref().err().map(|problem| format!("`{name}` {problem}")));
            value.unwrap_or_default()
        };
        let (user_id, items, total_amount) = (read("user_id"), read("number_of_items"), read("total_amount"));
        let number_of_items = items.parse().ok().filter(|items| *items > 0);
        if !user_id.is_empty() && !is_user(&user_id) {
            problems.push(format!("`user_id` must have 1 to {LONGEST_USER} printable characters"));
        }
        if !items.is_empty() && number_of_items.is_none() {
            problems.push(format!("`number_of_items` must be a whole number from 1 to {}", i32::MAX));
        }
        if !total_amount.is_empty() && !is_amount(&total_amount) {
            problems.push("`total_amount` must be 0 or more, with at most 12 digits and two decimals".into());
        }
        match number_of_items {
            Some(number_of_items) if problems.is_empty() => Ok(Self { user_id, number_of_items, total_amount }),
            _ => Err(problems),
        }
    }
}

fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Null => Err("is missing"),
        Value::String(text) if text.trim().is_empty() => Err("is empty"),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("must be a number or a string"),
    }
}

fn is_user(text: &str) -> bool {
    text.chars().count() <= LONGEST_USER && !text.chars().any(char::is_control)
}

fn is_amount(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    whole.len() <= LONGEST_AMOUNT && digits(whole) && decimals.len() <= 2 && digits(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Result<Order, Vec<String>> {
        Order::from_json(&serde_json::from_str(json).unwrap())
    }

    #[track_caller]
    fn accepted(json: &str, user_id: &str, number_of_items: i32, total_amount: &str) {
        let (user_id, total_amount) = (user_id.into(), total_amount.into());
        assert_eq!(order(json), Ok(Order { user_id, number_of_items, total_amount }));
    }

    #[track_caller]
    fn refused(json: &str, problems: &[&str]) {
        assert_eq!(order(json).unwrap_err(), problems);
    }

    #[test]
    fn numbers_may_be_strings() {
        accepted(r#"{"user_id": "20", "number_of_items": "99", "total_amount": "250"}"#, "20", 99, "250");
        accepted(r#"{"user_id": 20, "number_of_items": 99, "total_amount": 19.99}"#, "20", 99, "19.99");
        accepted(r#"{"user_id": " zoë ", "number_of_items": 1, "total_amount": 0.0, "x": 1}"#, "zoë", 1, "0.0");
    }

    #[test]
    fn every_problem_is_told() {
        refused("{}", &["`user_id` is missing", "`number_of_items` is missing", "`total_amount` is missing"]);
        refused(
            r#"{"user_id": {}, "number_of_items": 1.5, "total_amount": -1}"#,
            &[
                "`user_id` must be a number or a string",
                "`number_of_items` must be a whole number from 1 to 2147483647",
                "`total_amount` must be 0 or more, with at most 12 digits and two decimals",
            ],
        );
        refused("[1]", &["an order is a JSON object"]);
    }

    #[test]
    fn what_the_database_would_refuse_is_refused_here() {
        let user = |user: &str| order(&format!(r#"{{"user_id":"{user}","number_of_items":1,"total_amount":1}}"#));
        assert!(user(r"a\u0000b").is_err());
        assert!(user(&"x".repeat(101)).is_err());
        assert!(user("'; DROP TABLE orders; --").is_ok());
        for amount in ["1e3", "NaN", "1.", ".5", "1.234", "1000000000000", "1 000", "0x1", "٣"] {
            let json = format!(r#"{{"user_id":1,"number_of_items":1,"total_amount":"{amount}"}}"#);
            assert!(order(&json).is_err(), "{amount}");
        }
        for items in ["0", "-1", "2147483648", "many", "1.0"] {
            let json = format!(r#"{{"user_id":1,"number_of_items":"{items}","total_amount":1}}"#);
            assert!(order(&json).is_err(), "{items}");
        }
    }
}
