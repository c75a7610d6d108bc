//! Callers' numbers as carriers write them, against a table.

use model::numbers::{Caller, CallerKind};

/// One line of the table; fields in quotes may hold doubled quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn word(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::Mobile => "mobile",
        CallerKind::Fixed => "fixed",
        CallerKind::Service => "service",
        CallerKind::Short => "short",
        CallerKind::International => "intl",
        CallerKind::Anonymous => "anonymous",
        CallerKind::Extension => "ext",
        CallerKind::Alias => "alias",
        CallerKind::Unknown => "unknown",
    }
}

#[test]
fn every_form_of_the_table_is_understood() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("number_vectors.csv").lines().skip(1) {
        let fields = fields(line);
        let [raw, home, kind, normalised, area] = &fields[..] else { panic!("{line}") };
        let caller = Caller::parse(raw, Some(home));
        let got = (word(caller.kind), &*caller.normalised, caller.area.as_deref().unwrap_or(""));
        if got != (kind, normalised, area) {
            wrong.push(format!("{line}: got {got:?}"));
        }
        count += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(count, 50);
}
