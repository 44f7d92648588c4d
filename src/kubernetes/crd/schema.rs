//! Schemas of the status that its types cannot express.

use schemars::{Schema, SchemaGenerator, json_schema};

pub(super) fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// metav1.Condition with the limits that its own documentation states, which no client library enforces.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "Ready, InSync, Reconciling, Stalled, Suspended, Resolved or Seeded.",
                    "type": "string",
                    "maxLength": 316
                },
                "status": { "description": "True, False or Unknown.", "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": {
                    "description": "The metadata.generation that this condition is about.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0
                },
                "lastTransitionTime": {
                    "description": "When status last changed (RFC 3339).",
                    "type": "string",
                    "format": "date-time"
                },
                "reason": {
                    "description": "One word for what happened, such as Conflict or DatabaseUnreachable.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {
                    "description": "What happened and what to do, at most 32768 characters.",
                    "type": "string",
                    "maxLength": 32768
                }
            }
        }
    })
}
