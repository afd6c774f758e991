//! A step under way, in two lines: its title, and where its machines are.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// From so many machines on, how many are done is said.
const MANY: usize = 4;

pub struct Active {
    pub title: String,
    bar: ProgressBar,
    seen: Vec<Seen>,
    /// How many of how many things of the step are finished.
    count: Option<(u64, u64)>,
    begun: usize,
    done: usize,
}

/// What was last seen of a machine, or of the step itself when it has no name.
struct Seen {
    on: Option<String>,
    what: String,
}

impl Active {
    pub fn new(screen: &MultiProgress, title: &str) -> Self {
        let bar = screen.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner:.cyan} {prefix} {elapsed:.dim}"));
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { title: title.into(), bar, seen: Vec::new(), count: None, begun: 0, done: 0 }
    }

    pub fn begin(&mut self, on: &str) {
        self.begun += 1;
        self.see(Some(on), String::new());
    }

    pub fn see(&mut self, on: Option<&str>, what: String) {
        match self.seen.iter_mut().find(|seen| seen.on.as_deref() == on) {
            Some(seen) => seen.what = what,
            None => self.seen.push(Seen { on: on.map(str::to_owned), what }),
        }
        self.show();
    }

    pub fn progress(&mut self, on: Option<&str>, done: u64, of: u64) {
        if on.is_some() {
            return self.see(on, format!("{done} of {of}"));
        }
        self.count = Some((done, of));
        self.show();
    }

    pub fn end(&mut self, on: &str) {
        self.done += 1;
        self.seen.retain(|seen| seen.on.as_deref() != Some(on));
        self.show();
    }

    pub fn clear(&self, screen: &MultiProgress) {
        self.bar.finish_and_clear();
        screen.remove(&self.bar);
    }

    fn show(&self) {
        let message = self.message();
        self.bar.set_style(style(match message.is_empty() {
            true => "{spinner:.cyan} {prefix} {elapsed:.dim}",
            false => "{spinner:.cyan} {prefix} {elapsed:.dim}\n    {wide_msg:.dim}",
        }));
        self.bar.set_message(message);
    }

    /// Returns `12 of 50 done · web-1: connection refused · 37 × booting`.
    fn message(&self) -> String {
        let mut groups: Vec<(&str, Vec<Option<&str>>)> = Vec::new();
        for seen in &self.seen {
            match groups.iter_mut().find(|(what, _)| *what == seen.what) {
                Some((_, names)) => names.push(seen.on.as_deref()),
                None => groups.push((&seen.what, vec![seen.on.as_deref()])),
            }
        }
        // What is rare is worth more than what is common.
        groups.sort_by_key(|(_, names)| names.len());
        let done = (self.begun >= MANY).then(|| format!("{} of {} done", self.done, self.begun));
        let count = self.count.map(|(done, of)| format!("{done} of {of}"));
        let groups = groups.into_iter().map(|(what, names)| match names[..] {
            [None] => what.to_owned(),
            [Some(name)] if what.is_empty() => name.to_owned(),
            [Some(name)] => format!("{name}: {what}"),
            _ if what.is_empty() => format!("{} under way", names.len()),
            _ => format!("{} × {what}", names.len()),
        });
        done.into_iter().chain(count).chain(groups).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right")
}
