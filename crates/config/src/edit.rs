//! Owns typed changes of a configuration file's text: comments, order and blank lines stay.
//! Does not own whether the result is right (load the folder with it before writing it).

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

/// One change of one file.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A key gets a value, written in TOML: `20`, `"sales"`, `["8001", "8002"]`.
    Set {
        /// Where.
        at: Vec<Step>,
        /// The key.
        key: String,
        /// The value as TOML.
        value: String,
    },
    /// A key goes, so that its default holds; a key that is not there is no mistake.
    Unset {
        /// Where.
        at: Vec<Step>,
        /// The key.
        key: String,
    },
    /// A table is added: `[name]`, or `[[name]]` when `at` ends with [`Step::New`].
    Add {
        /// Where, the new table's own name last.
        at: Vec<Step>,
        /// Its keys, with values as TOML.
        keys: Vec<(String, String)>,
    },
    /// A table goes, with its comments.
    Remove {
        /// Which.
        at: Vec<Step>,
    },
}

/// One step from a file's root to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the table of that name.
    Table(String),
    /// Into the element of an array of tables whose key has that text: `[[agent]]` with `id = "8001"`.
    Where {
        /// The array.
        array: String,
        /// The key that tells elements apart.
        key: String,
        /// Its text.
        is: String,
    },
    /// A new element of an array of tables; only as the last step of [`Change::Add`].
    New(String),
}

/// Why a change could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no TOML.
    #[error("文件不是有效的 TOML / the file is no TOML: {0}")]
    Syntax(String),
    /// A value is no TOML.
    #[error("«{value}» 不是有效的 TOML 值 / \"{value}\" is no TOML value")]
    Value {
        /// As given.
        value: String,
    },
    /// A step leads nowhere.
    #[error("找不到 «{0}» / there is no \"{0}\"")]
    Nowhere(String),
    /// What is to be added is there.
    #[error("«{0}» 已存在 / \"{0}\" exists already")]
    Exists(String),
}

/// The text of a file after a change.
///
/// # Errors
/// When the file or a value is no TOML, a step leads nowhere, or what is to be added is there already. Nothing but
/// the change differs from `source` otherwise.
pub fn apply(source: &str, change: &Change) -> Result<String, EditError> {
    let mut document: DocumentMut =
        source.parse().map_err(|e: toml_edit::TomlError| EditError::Syntax(e.to_string()))?;
    match change {
        Change::Set { at, key, value } => set(find(document.as_table_mut(), at)?, key, value)?,
        Change::Unset { at, key } => {
            find(document.as_table_mut(), at)?.remove(key);
        }
        Change::Add { at, keys } => add(document.as_table_mut(), at, keys)?,
        Change::Remove { at } => remove(document.as_table_mut(), at)?,
    }
    Ok(document.to_string())
}

fn set(table: &mut dyn TableLike, key: &str, value: &str) -> Result<(), EditError> {
    let mut value = parse(value)?;
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            // The blank before a value and the comment behind it belong to the line, not to the value.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
    Ok(())
}

fn add(root: &mut Table, at: &[Step], keys: &[(String, String)]) -> Result<(), EditError> {
    let mut table = Table::new();
    for (key, value) in keys {
        table.insert(key, Item::Value(parse(value)?));
    }
    let Some((last, before)) = at.split_last() else { return Err(EditError::Nowhere(String::new())) };
    match last {
        Step::Table(name) => {
            let parent = find(root, before)?;
            if parent.contains_key(name) {
                return Err(EditError::Exists(name.clone()));
            }
            parent.insert(name, Item::Table(table));
        }
        Step::New(name) => {
            let parent = find(root, before)?;
            let array = parent.entry(name).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
            let array = array.as_array_of_tables_mut().ok_or_else(|| EditError::Nowhere(name.clone()))?;
            // A blank line stands before each table but a file's first.
            table.decor_mut().set_prefix("\n");
            array.push(table);
        }
        Step::Where { array, .. } => return Err(EditError::Exists(array.clone())),
    }
    Ok(())
}

fn remove(root: &mut Table, at: &[Step]) -> Result<(), EditError> {
    let Some((last, before)) = at.split_last() else { return Err(EditError::Nowhere(String::new())) };
    let parent = find(root, before)?;
    match last {
        Step::Table(name) => {
            let is_table = parent.get(name).is_some_and(Item::is_table_like);
            if !is_table {
                return Err(EditError::Nowhere(name.clone()));
            }
            parent.remove(name);
        }
        Step::Where { array, key, is } => {
            let tables = parent.get_mut(array).and_then(Item::as_array_of_tables_mut);
            let tables = tables.ok_or_else(|| EditError::Nowhere(array.clone()))?;
            let place = place_of(tables, key, is).ok_or_else(|| EditError::Nowhere(is.clone()))?;
            tables.remove(place);
            if tables.is_empty() {
                parent.remove(array);
            }
        }
        Step::New(name) => return Err(EditError::Nowhere(name.clone())),
    }
    Ok(())
}

fn find<'t>(root: &'t mut Table, at: &[Step]) -> Result<&'t mut dyn TableLike, EditError> {
    let mut table: &mut dyn TableLike = root;
    for step in at {
        table = match step {
            Step::Table(name) => table
                .get_mut(name)
                .and_then(Item::as_table_like_mut)
                .ok_or_else(|| EditError::Nowhere(name.clone()))?,
            Step::Where { array, key, is } => {
                let tables = table.get_mut(array).and_then(Item::as_array_of_tables_mut);
                let tables = tables.ok_or_else(|| EditError::Nowhere(array.clone()))?;
                let place = place_of(tables, key, is).ok_or_else(|| EditError::Nowhere(is.clone()))?;
                tables.get_mut(place).ok_or_else(|| EditError::Nowhere(is.clone()))?
            }
            Step::New(name) => return Err(EditError::Nowhere(name.clone())),
        };
    }
    Ok(table)
}

fn place_of(tables: &ArrayOfTables, key: &str, is: &str) -> Option<usize> {
    tables.iter().position(|table| table.get(key).and_then(Item::as_str) == Some(is))
}

fn parse(value: &str) -> Result<Value, EditError> {
    value.trim().parse().map_err(|_| EditError::Value { value: value.to_owned() })
}

#[cfg(test)]
mod tests;
