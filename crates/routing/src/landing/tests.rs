use super::*;
use crate::fixtures::number;

fn plan() -> Landing {
    Landing::new(&[
        number("default", "4008001234", &["01065551234", "65551000"]),
        number("default", "4008005678", &["075528780808"]),
        number("default", "95588", &["01065559808"]),
    ])
}

#[test]
fn a_number_is_found_in_every_usual_form() {
    let table = [
        ("4008001234", Some(0)),
        ("+864008001234", Some(0)),
        ("864008001234", Some(0)),
        ("00864008001234", Some(0)),
        ("04008001234", Some(0)),
        ("01065551234", Some(0)),
        ("+861065551234", Some(0)),
        ("1065551234", Some(0)),
        ("65551234", Some(0)),
        ("1234", Some(0)),
        ("0104008001234", Some(0)),
        ("55501065551234", Some(0)),
        ("01065551000", Some(0)),
        ("4008005678", Some(1)),
        ("28780808", Some(1)),
        ("+8675528780808", Some(1)),
        ("95588", Some(2)),
        ("4008009999", None),
        ("808", None),
        ("5678", None),
        ("sales", None),
        ("", None),
        ("0", None),
        ("+", None),
    ];
    let plan = plan();
    for (called, place) in table {
        assert_eq!(plan.find(called), place, "{called}");
    }
}

#[test]
fn last_digits_that_two_landing_numbers_share_mean_neither() {
    let plan = Landing::new(&[
        number("default", "4008001234", &["01065550808"]),
        number("default", "4008005678", &["075528780808"]),
    ]);
    assert_eq!(plan.find("0808"), None);
    assert_eq!(plan.find("65550808"), Some(0));
}

#[test]
fn a_number_itself_comes_before_another_ones_alias() {
    let plan = Landing::new(&[
        number("default", "4008001234", &["4008005678"]),
        number("default", "4008005678", &[]),
    ]);
    assert_eq!(plan.find("4008005678"), Some(1));
}
