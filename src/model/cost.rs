//! What machines cost.

use serde::Serialize;

/// What machines cost, in US dollars: an estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// With all of them running.
    pub hourly: f64,
    pub monthly: f64,
    /// Of those that run: since each was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub so_far: Option<f64>,
    /// How long ago the first of them was made, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
    /// What is counted, and by which prices.
    pub basis: String,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "about ${:.2} an hour, ${:.0} a month", self.hourly, self.monthly)?;
        if let Some(so_far) = self.so_far {
            write!(f, "; ${so_far:.2} since it was started")?;
        }
        if let Some(age) = self.age {
            let (days, hours, minutes) = (age / 86_400, age / 3600 % 24, age / 60 % 60);
            match days {
                0 => write!(f, "; {hours} h {minutes} min old")?,
                _ => write!(f, "; {days} d {hours} h old")?,
            }
        }
        write!(f, " ({})", self.basis)
    }
}
