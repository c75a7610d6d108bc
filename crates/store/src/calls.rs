//! Owns how records and sums are found.

use clock::WallTime;
use ledger::{AgentFigures, Cdr, Day, NumberFigures, QueueFigures};
use model::outcome::CallResult;
use model::{CallId, TenantId};
use sqlx::{QueryBuilder, Sqlite};

use crate::rows::{self, FigureRow};
use crate::{Store, StoreError};

/// Which records are wanted; what is `None` excludes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// The hotline number.
    pub number: Option<String>,
    /// The caller, normalised or as the peer wrote it.
    pub caller: Option<String>,
    /// The agent who answered last.
    pub agent: Option<String>,
    /// The last queue.
    pub queue: Option<String>,
    /// The result.
    pub result: Option<CallResult>,
    /// Began at or after this.
    pub from: Option<WallTime>,
    /// Began before this.
    pub to: Option<WallTime>,
    /// At most so many; [`CallFilter::LIMIT`] when `None`.
    pub limit: Option<u32>,
    /// Those next behind this call, oldest first. Without it, the newest.
    pub after: Option<CallId>,
}

impl CallFilter {
    /// How many records are given unless asked otherwise.
    pub const LIMIT: u32 = 100;
}

impl Store {
    /// The records that `filter` wants, newest last: the newest ones, or those next behind `filter.after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, StoreError> {
        let mut question = QueryBuilder::<Sqlite>::new("SELECT json FROM cdr WHERE 1 = 1");
        let tenant = filter.tenant.as_ref().map(ToString::to_string);
        let texts = [("tenant", &tenant), ("number", &filter.number), ("agent", &filter.agent)];
        for (column, wanted) in
            texts.into_iter().chain([("queue", &filter.queue), ("caller", &filter.caller)])
        {
            if let Some(wanted) = wanted {
                question.push(format_args!(" AND {column} = ")).push_bind(wanted.clone());
            }
        }
        if let Some(result) = &filter.result {
            question.push(" AND result = ").push_bind(rows::word(result));
        }
        if let Some(from) = filter.from {
            question.push(" AND began >= ").push_bind(from.0);
        }
        if let Some(to) = filter.to {
            question.push(" AND began < ").push_bind(to.0);
        }
        if let Some(after) = filter.after {
            question
                .push(" AND (began, id) > (SELECT began, id FROM cdr WHERE id = ")
                .push_bind(after.to_string());
            question.push(") ORDER BY began, id");
        } else {
            question.push(" ORDER BY began DESC, id DESC");
        }
        question.push(" LIMIT ").push_bind(i64::from(filter.limit.unwrap_or(CallFilter::LIMIT)));
        let mut rows: Vec<String> = question.build_query_scalar().fetch_all(&self.read).await?;
        if filter.after.is_none() {
            rows.reverse();
        }
        rows.iter().map(|json| rows::parse("cdr", json)).collect()
    }

    /// The record of one call.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn call(&self, id: CallId) -> Result<Option<Cdr>, StoreError> {
        let mut connection = self.read.acquire().await?;
        rows::cdr(&mut connection, id).await
    }

    /// The sums of each hotline number of `tenant` on the days `from` to `to`, both included, in order of days.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn number_figures(
        &self,
        tenant: &TenantId,
        from: Day,
        to: Day,
    ) -> Result<Vec<(Day, String, NumberFigures)>, StoreError> {
        self.figures(tenant, from, to).await
    }

    /// As [`number_figures`](Store::number_figures), of each queue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_figures(
        &self,
        tenant: &TenantId,
        from: Day,
        to: Day,
    ) -> Result<Vec<(Day, String, QueueFigures)>, StoreError> {
        self.figures(tenant, from, to).await
    }

    /// As [`number_figures`](Store::number_figures), of each agent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agent_figures(
        &self,
        tenant: &TenantId,
        from: Day,
        to: Day,
    ) -> Result<Vec<(Day, String, AgentFigures)>, StoreError> {
        self.figures(tenant, from, to).await
    }

    async fn figures<F: FigureRow>(
        &self,
        tenant: &TenantId,
        from: Day,
        to: Day,
    ) -> Result<Vec<(Day, String, F)>, StoreError> {
        let question = "SELECT day, name, json FROM figure WHERE tenant = ? AND scope = ? AND day BETWEEN ? AND ? \
                        ORDER BY day, name";
        let found: Vec<(String, String, String)> = sqlx::query_as(question)
            .bind(tenant.to_string())
            .bind(F::SCOPE)
            .bind(from.to_string())
            .bind(to.to_string())
            .fetch_all(&self.read)
            .await?;
        let read = |(day, name, json): (String, String, String)| {
            // A day that cannot be read is one nobody wrote: its row is damaged.
            let day = day.parse().map_err(|error| StoreError::Content {
                what: "figure".to_owned(),
                source: serde::de::Error::custom(error),
            })?;
            Ok((day, name, rows::parse("figure", &json)?))
        };
        found.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests;
