//! Figures as JSON lines, and as a table for people.

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// Nothing in particular.
    None,
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// Figures in the order in which they were measured.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Target {
    fn told(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::AtLeast(bound) => Some(format!(">= {bound}")),
            Self::AtMost(bound) => Some(format!("<= {bound}")),
        }
    }

    fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
        }
    }
}

impl Figures {
    /// Adds one, and tells it at once.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        let name = name.into();
        eprintln!("{name}: {value:.3} {unit}");
        self.0.push(Figure {
            name,
            value,
            unit,
            target,
        });
    }

    /// Whether all that have a target reach it.
    pub fn hold(&self) -> bool {
        let held = |it: &Figure| it.target.holds(it.value);
        self.0.iter().all(|it| held(it) != Some(false))
    }

    /// One JSON line each, then the table.
    pub fn print(&self) {
        for it in &self.0 {
            let line = serde_json::json!({
                "figure": it.name, "value": it.value, "unit": it.unit,
                "target": it.target.told(), "holds": it.target.holds(it.value),
            });
            println!("{line}");
        }
        println!(
            "\n{:<36} {:>14} {:<6} {:>9}  holds",
            "figure", "value", "unit", "target"
        );
        for it in &self.0 {
            let holds = match it.target.holds(it.value) {
                None => "",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            println!(
                "{:<36} {:>14.3} {:<6} {:>9}  {holds}",
                it.name,
                it.value,
                it.unit,
                it.target.told().unwrap_or_default()
            );
        }
    }
}
