//! Owns the paths about hotline numbers and their night switches. Does not own what a switch does (see `call`).

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use model::HotlineNumber;
use model::command::Command;
use model::night::Turn;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Problem, read};
use crate::routes::{Shared, Tenant, command};
use crate::view::NumberView;

pub(crate) async fn numbers(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<NumberView>> {
    Json(shared.switch.numbers(tenant.0).await)
}

/// Which way a night switch is to be turned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Night {
    turn: Turn,
}

pub(crate) async fn turn_night(
    State(shared): State<Shared>,
    tenant: Tenant,
    number: Result<Path<String>, PathRejection>,
    wish: Result<Json<Night>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(number) = number.map_err(|error| Problem::bad_request("号码不对", error.body_text()))?;
    let Night { turn } = read(wish, "夜间模式写得不对")?;
    command(&shared, Command::TurnNight { number: HotlineNumber::new(&tenant.0, &number), turn }).await
}
