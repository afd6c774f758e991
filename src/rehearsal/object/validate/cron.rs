//! Syntax of cron schedules.

const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];
const DESCRIPTORS: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Returns what is wrong with a cron schedule of five fields, or one such as `@daily`.
pub fn schedule_problem(schedule: &str) -> Option<String> {
    if let Some(every) = schedule.strip_prefix("@every ") {
        let fits = humantime::parse_duration(every.trim()).is_ok();
        return (!fits).then(|| format!("failed to parse duration {schedule}: time: invalid duration {every:?}"));
    }
    if schedule.starts_with('@') {
        return (!DESCRIPTORS.contains(&schedule)).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<_> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    let parts = fields.iter().zip(FIELDS).flat_map(|(field, limits)| field.split(',').map(move |part| (part, limits)));
    parts.into_iter().find_map(|(part, (_, least, most, names))| part_problem(part, least, most, names))
}

fn part_problem(part: &str, least: u32, most: u32, names: &[&str]) -> Option<String> {
    let number = |text: &str| -> Result<u32, String> {
        if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(least + index as u32);
        }
        text.parse()
            .map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
    };
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let checked = || -> Result<(), String> {
        if step.map(number).transpose()? == Some(0) {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        if range == "*" || range == "?" {
            return Ok(());
        }
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (number(from)?, number(to)?);
        if from < least {
            return Err(format!("beginning of range ({from}) below minimum ({least}): {part}"));
        }
        if to > most {
            return Err(format!("end of range ({to}) above maximum ({most}): {part}"));
        }
        if from > to {
            return Err(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
        }
        Ok(())
    };
    checked().err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_have_five_fields() {
        for good in ["* * * * *", "*/5 0-6,12 1 jan MON-fri", "@daily", "@every 1h", "0 0 ? * 0"] {
            assert_eq!(schedule_problem(good), None, "{good}");
        }
        assert_eq!(schedule_problem("x").as_deref(), Some("expected exactly 5 fields, found 1: [x]"));
        assert_eq!(schedule_problem("60 * * * *").as_deref(), Some("end of range (60) above maximum (59): 60"));
        assert_eq!(schedule_problem("*/0 * * * *").as_deref(), Some("step of range should be a positive number: */0"));
        assert!(schedule_problem("@often").is_some() && schedule_problem("a * * * *").is_some());
    }
}
