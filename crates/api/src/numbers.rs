//! Owns the paths about hotline numbers and their night switches. Does not own what a switch does (see `call`).

use axum::Json;
use axum::extract::State;
use model::HotlineNumber;
use model::command::Command;
use model::night::Turn;
use serde_json::Value;

use crate::error::Problem;
use crate::routes::{Shared, Tenant, command};
use crate::said::{Body, Field, InPath};
use crate::view::NumberView;

pub(crate) async fn numbers(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<NumberView>> {
    Json(shared.switch.numbers(tenant.0).await)
}

pub(crate) async fn turn_night(
    State(shared): State<Shared>,
    tenant: Tenant,
    InPath(number): InPath<String>,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let number = NUMBER.checked(&number)?;
    let turn = said.one_of(&TURN, &[Turn::On, Turn::Off])?;
    said.end()?;
    command(&shared, Command::TurnNight { number: HotlineNumber::new(&tenant.0, &number), turn }).await
}

const NUMBER: Field = Field::named("number", "号码");
const TURN: Field = Field::named("turn", "夜间模式");
