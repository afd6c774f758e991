//! Where the time of a run went, per step and machine.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::words::{seconds, word};
use crate::engine::{Event, EventKind, Outcome};

struct Row {
    step: String,
    title: String,
    outcome: Outcome,
    elapsed_ms: u64,
    works: Vec<(String, Outcome, u64)>,
}

/// Returns a table of the run whose events these are; steps that did not end are left out.
pub fn render(events: &[Event]) -> String {
    let rows = rows(events);
    let total = events.iter().find_map(|event| match event.kind {
        EventKind::RunFinished { elapsed_ms, .. } => Some(elapsed_ms),
        _ => None,
    });
    let total = total.unwrap_or_else(|| rows.iter().map(|row| row.elapsed_ms).sum());
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["STEP", "ON", "OUTCOME", "TIME", "SHARE"]);
    for row in &rows {
        let share = format!("{} %", (row.elapsed_ms * 100).checked_div(total).unwrap_or(0));
        table.add_row([&row.title, "", word(row.outcome), &seconds(row.elapsed_ms), &share]);
        for (on, outcome, elapsed_ms) in &row.works {
            table.add_row(["", on, word(*outcome), &seconds(*elapsed_ms), ""]);
        }
    }
    table.add_row(["total", "", "", &seconds(total), ""]);
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn rows(events: &[Event]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::StepStarted { step, title } => rows.push(Row {
                step: step.clone(),
                title: title.clone(),
                outcome: Outcome::Failed,
                elapsed_ms: 0,
                works: Vec::new(),
            }),
            EventKind::WorkFinished { step, on, outcome, elapsed_ms } => {
                if let Some(row) = last(&mut rows, step) {
                    row.works.push((on.clone(), *outcome, *elapsed_ms));
                }
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                if let Some(row) = last(&mut rows, step) {
                    (row.outcome, row.elapsed_ms) = (*outcome, *elapsed_ms);
                }
            }
            EventKind::StepFailed { step, elapsed_ms, .. } => {
                if let Some(row) = last(&mut rows, step) {
                    row.elapsed_ms = *elapsed_ms;
                }
            }
            _ => {}
        }
    }
    for row in &mut rows {
        row.works.sort_by(|a, b| a.0.cmp(&b.0));
    }
    rows
}

fn last<'r>(rows: &'r mut [Row], step: &str) -> Option<&'r mut Row> {
    rows.iter_mut().rev().find(|row| row.step == step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_step_and_machine_has_its_time() {
        insta::assert_snapshot!(render(&sample::success()));
    }

    #[test]
    fn a_step_that_failed_says_so() {
        insta::assert_snapshot!(render(&sample::failure()));
    }

    #[test]
    fn any_stream_has_a_table() {
        for events in sample::damaged() {
            assert!(render(&events).contains("total"));
        }
    }
}
