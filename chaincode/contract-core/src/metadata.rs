//! A contract's description, as `org.hyperledger.fabric:GetMetadata` gives it (fabric-contract-api-go `metadata/schema`).

use serde_json::{Map, Value, json};

/// What a contract offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractMetadata {
    /// The contract's name within the chaincode.
    pub name: String,
    /// The trait's documentation.
    pub description: String,
    /// Its functions, in the trait's order.
    pub transactions: Vec<Transaction>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its wire name.
    pub name: String,
    /// Whether it writes.
    pub kind: Kind,
    /// Its documentation.
    pub description: String,
    /// Its public arguments, in order.
    pub parameters: Vec<Parameter>,
    /// Its transient inputs.
    pub transient: Vec<Parameter>,
    /// The Rust type of its result; `()` for none.
    pub returns: String,
}

/// Whether a function writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes through endorsement, ordering and commit.
    Submit,
    /// Only reads.
    Evaluate,
}

/// One input of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its Rust type, without references.
    pub rust_type: String,
}

impl ContractMetadata {
    /// The contract's entry in Fabric's metadata document. `components` collects the types that only have a name.
    pub(crate) fn to_json(&self, default: bool, components: &mut Map<String, Value>) -> Value {
        let mut transactions = Vec::with_capacity(self.transactions.len());
        for transaction in &self.transactions {
            transactions.push(transaction.to_json(components));
        }
        json!({
            "name": self.name,
            "info": {"title": self.name, "description": self.description},
            "default": default,
            "transactions": transactions,
        })
    }
}

impl Transaction {
    fn to_json(&self, components: &mut Map<String, Value>) -> Value {
        let tag = match self.kind {
            Kind::Submit => "submit",
            Kind::Evaluate => "evaluate",
        };
        let mut entry = json!({
            "name": self.name,
            "description": self.description,
            "tag": [tag],
            "parameters": list(&self.parameters, components),
            "x-transient": list(&self.transient, components),
        });
        if self.returns != "()" {
            entry["returns"] = schema(&self.returns, components);
        }
        entry
    }
}

fn list(inputs: &[Parameter], components: &mut Map<String, Value>) -> Vec<Value> {
    let mut entries = Vec::with_capacity(inputs.len());
    for input in inputs {
        entries.push(json!({"name": input.name, "schema": schema(&input.rust_type, components)}));
    }
    entries
}

/// The JSON schema of a Rust type by its name: the plain types, `Vec` and `Option`; any other is a named component.
fn schema(rust_type: &str, components: &mut Map<String, Value>) -> Value {
    let inner = |outer: &str| {
        rust_type
            .strip_prefix(outer)?
            .strip_prefix('<')?
            .strip_suffix('>')
    };
    if let Some(item) = inner("Vec") {
        return json!({"type": "array", "items": schema(item, components)});
    }
    if let Some(item) = inner("Option") {
        return schema(item, components);
    }
    match rust_type {
        "String" | "str" | "char" => json!({"type": "string"}),
        "bool" => json!({"type": "boolean"}),
        "i8" | "i16" | "i32" | "i64" => json!({"type": "integer", "format": rust_type.replace('i', "int")}),
        "u8" | "u16" | "u32" | "u64" => {
            json!({"type": "integer", "format": rust_type.replace('u', "int"), "minimum": 0})
        }
        named => {
            components
                .entry(named.to_owned())
                .or_insert_with(|| json!({"$id": named}));
            json!({"$ref": format!("#/components/schemas/{named}")})
        }
    }
}
