//! Records that others kept: JSON, YAML, CSV, TSV and JSON lines.
