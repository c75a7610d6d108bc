//! Owns how a trunk writes numbers, and what its own forms mean. Does not own the forms that records keep (see
//! `model::numbers`).

use std::borrow::Cow;

use model::numbers::{Caller, CallerKind};

use crate::trunk::{NumberForm, Rewrite, TrunkNumbers, ZeroBeforeMobile};

impl TrunkNumbers {
    /// A caller's number as it came, after this trunk's rules.
    pub fn read_caller<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        rewritten(&self.caller_in, raw)
    }

    /// A dialled number as it came, after this trunk's rules.
    pub fn read_called<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        rewritten(&self.called_in, raw)
    }

    /// A caller's number, kept in the national form, as this trunk wants it.
    pub fn write_caller(&self, number: &str) -> String {
        let written = written(number, self.caller_form);
        rewritten(&self.caller_out, &written).into_owned()
    }

    /// A number to dial, kept in the national form, as this trunk wants it.
    pub fn write_called(&self, number: &str) -> String {
        let written = match self.local_form(number) {
            Some(local) => local,
            None => written(number, self.called_form),
        };
        rewritten(&self.called_out, &written).into_owned()
    }

    /// Local numbers without their area code, mobiles with a 0: what the forms of a whole country do not have.
    fn local_form(&self, number: &str) -> Option<String> {
        let caller = Caller::parse(number, None);
        match caller.kind {
            CallerKind::Fixed if self.drop_home_area => {
                let home = self.home_area.as_deref()?;
                let local = caller.normalised.strip_prefix(home)?;
                (caller.area.as_deref() == Some(home)).then(|| local.to_owned())
            }
            CallerKind::Mobile => {
                let is_local = self.local_mobiles.iter().any(|start| caller.normalised.starts_with(&**start));
                let zero = match self.zero_before_mobile {
                    ZeroBeforeMobile::Never => false,
                    ZeroBeforeMobile::Outside => !is_local,
                    ZeroBeforeMobile::Always => true,
                };
                zero.then(|| format!("0{}", caller.normalised))
            }
            _ => None,
        }
    }
}

impl Rewrite {
    /// What becomes of `number`; None when the rule does not fit.
    pub fn apply(&self, number: &str) -> Option<String> {
        if !fits(&self.pattern, number) {
            return None;
        }
        // A number is ASCII where a pattern fits it up to here; what is cut off must be there.
        let rest = number.get(self.strip..)?;
        Some(format!("{}{rest}", self.prepend))
    }
}

/// Whether a pattern is one: digits, `+`, `*`, `#`, `X`, `Z`, `N`, and at its end `.`.
pub fn is_pattern(text: &str) -> bool {
    let body = text.strip_suffix('.').unwrap_or(text);
    let fits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '#' | 'X' | 'Z' | 'N');
    !text.is_empty() && text.len() <= 40 && body.chars().all(fits)
}

pub(crate) fn fits(pattern: &str, number: &str) -> bool {
    let (body, open) = match pattern.strip_suffix('.') {
        Some(body) => (body, true),
        None => (pattern, false),
    };
    let long_enough = if open { number.len() >= body.len() } else { number.len() == body.len() };
    let same = |(wanted, given): (u8, u8)| match wanted {
        b'X' => given.is_ascii_digit(),
        b'Z' => matches!(given, b'1'..=b'9'),
        b'N' => matches!(given, b'2'..=b'9'),
        other => other == given,
    };
    long_enough && body.bytes().zip(number.bytes()).all(same)
}

fn rewritten<'a>(rules: &[Rewrite], number: &'a str) -> Cow<'a, str> {
    match rules.iter().find_map(|rule| rule.apply(number)) {
        Some(changed) => Cow::Owned(changed),
        None => Cow::Borrowed(number),
    }
}

/// `number` in that form. Short numbers, extensions and names have one form only.
fn written(number: &str, form: NumberForm) -> String {
    let caller = Caller::parse(number, None);
    let kept = &*caller.normalised;
    match caller.kind {
        CallerKind::Mobile | CallerKind::Fixed | CallerKind::Service => {
            let significant = kept.strip_prefix('0').unwrap_or(kept);
            match form {
                NumberForm::Plus86 => format!("+86{significant}"),
                NumberForm::Bare86 => format!("86{significant}"),
                NumberForm::Zero => kept.to_owned(),
                NumberForm::Bare => significant.to_owned(),
            }
        }
        CallerKind::International => match form {
            NumberForm::Plus86 => format!("+{}", kept.strip_prefix("00").unwrap_or(kept)),
            _ => kept.to_owned(),
        },
        CallerKind::Short
        | CallerKind::Anonymous
        | CallerKind::Extension
        | CallerKind::Alias
        | CallerKind::Unknown => model::numbers::national(number).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn rule(pattern: &str, strip: usize, prepend: &str) -> Rewrite {
        assert!(is_pattern(pattern), "{pattern}");
        Rewrite { pattern: Arc::from(pattern), strip, prepend: Arc::from(prepend) }
    }

    #[test]
    fn a_number_is_written_in_each_form() {
        let cases = [
            ("13800138000", ["+8613800138000", "8613800138000", "13800138000", "13800138000"]),
            ("01065551234", ["+861065551234", "861065551234", "01065551234", "1065551234"]),
            ("4008001234", ["+864008001234", "864008001234", "4008001234", "4008001234"]),
            ("0085212345678", ["+85212345678", "0085212345678", "0085212345678", "0085212345678"]),
            ("95588", ["95588"; 4]),
            ("110", ["110"; 4]),
        ];
        let forms = [NumberForm::Plus86, NumberForm::Bare86, NumberForm::Zero, NumberForm::Bare];
        for (number, expected) in cases {
            for (form, expected) in forms.into_iter().zip(expected) {
                let numbers =
                    TrunkNumbers { caller_form: form, called_form: form, ..TrunkNumbers::default() };
                assert_eq!(numbers.write_caller(number), expected, "{form:?}");
                assert_eq!(numbers.write_called(number), expected, "{form:?}");
            }
        }
    }

    #[test]
    fn what_is_local_is_dialled_as_the_area_does_it() {
        let numbers = TrunkNumbers {
            home_area: Some(Arc::from("0755")),
            drop_home_area: true,
            zero_before_mobile: ZeroBeforeMobile::Outside,
            local_mobiles: vec![Arc::from("1382525")],
            ..TrunkNumbers::default()
        };
        for (number, expected) in [
            ("075528780808", "28780808"),
            ("01065551234", "01065551234"),
            ("13825250000", "13825250000"),
            ("13800138000", "013800138000"),
            ("4008001234", "4008001234"),
        ] {
            assert_eq!(numbers.write_called(number), expected);
            assert_eq!(numbers.write_caller(number), number, "callers keep their form");
        }
        let always = TrunkNumbers { zero_before_mobile: ZeroBeforeMobile::Always, ..numbers };
        assert_eq!(always.write_called("13825250000"), "013825250000");
    }

    #[test]
    fn the_first_rule_that_fits_is_applied_and_only_that() {
        let rules =
            vec![rule("9XXXX", 0, ""), rule("9.", 1, "0"), rule("+86ZX.", 3, ""), rule(".", 0, "17909")];
        for (number, expected) in [
            ("95588", "95588"),
            ("955881", "055881"),
            ("+8613800138000", "13800138000"),
            ("+86013800138000", "17909+86013800138000"),
            ("", "17909"),
        ] {
            assert_eq!(rewritten(&rules, number), expected, "{number}");
        }
        assert_eq!(rewritten(&[rule("N.", 4, "")], "12"), "12", "N is 2 to 9");
        assert_eq!(rewritten(&[rule("X.", 4, "")], "12"), "12", "what is not there is not cut off");
    }

    #[test]
    fn rules_in_come_before_and_rules_out_after_the_form() {
        let numbers = TrunkNumbers {
            caller_form: NumberForm::Plus86,
            called_form: NumberForm::Zero,
            caller_in: vec![rule("17951.", 5, "")],
            called_in: vec![rule("8880XXXX", 4, "0755")],
            caller_out: vec![rule("+86.", 1, "")],
            called_out: vec![rule("1XXXXXXXXXX", 0, "9")],
            ..TrunkNumbers::default()
        };
        assert_eq!(numbers.read_caller("1795113800138000"), "13800138000");
        assert_eq!(numbers.read_called("88801234"), "07551234");
        assert_eq!(numbers.write_caller("13800138000"), "8613800138000");
        assert_eq!(numbers.write_called("13800138000"), "913800138000");
    }

    #[test]
    fn patterns_of_rubbish_are_none() {
        for text in ["", "a", "1.2", "..", "1 2", "(10)", "[1-3]"] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
