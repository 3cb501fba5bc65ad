//! What the record of a run in JSON says that its JSON elsewhere does not: export writes it, import
//! reads it.

use serde_json::Value;
use serde_json::json;

use super::value::ParamValue;
use super::value::float_to_json;

/// What the folder with a run's files is called beside `NAME.json`, after `NAME`.
pub const ARTIFACTS_SUFFIX: &str = ".artifacts";

/// A param with its type.
pub(crate) fn param_to_exact(value: &ParamValue) -> Value {
    match value {
        ParamValue::Bool(value) => json!({ "bool": value }),
        ParamValue::Int(value) => json!({ "int": value }),
        ParamValue::Float(value) => json!({ "float": float_to_json(*value) }),
        ParamValue::Text(value) => json!({ "text": value }),
        ParamValue::List(items) => {
            json!({ "list": items.iter().map(param_to_exact).collect::<Vec<_>>() })
        }
    }
}

/// Reads a param written with its type; none if it is not.
pub(crate) fn param_from_exact(value: &Value) -> Option<ParamValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match (kind.as_str(), value, ParamValue::from_json(value)) {
        ("text", Value::String(text), _) => Some(ParamValue::Text(text.clone())),
        ("list", Value::Array(items), _) => {
            let items = items.iter().map(param_from_exact);
            Some(ParamValue::List(items.collect::<Option<_>>()?))
        }
        ("bool", _, value @ ParamValue::Bool(_))
        | ("int", _, value @ ParamValue::Int(_))
        | ("float", _, value @ ParamValue::Float(_)) => Some(value),
        _ => None,
    }
}
