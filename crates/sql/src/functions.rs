//! Functions beside the engine's: few, where a question about telemetry would be long without.

use crate::answer::json_column;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// All of them.
pub fn scalar() -> Vec<ScalarUDF> {
    vec![ScalarUDF::new_from_impl(ToJson { signature: Signature::any(1, Volatility::Immutable) })]
}

/// `to_json(labels)`: any value as one line of JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToJson {
    signature: Signature,
}

impl ScalarUDFImpl for ToJson {
    fn name(&self) -> &str {
        "to_json"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(Arc::new(json_column(&arrays[0])?)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        None
    }
}
