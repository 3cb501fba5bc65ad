//! The index: what the journal says, laid out for reading. Derived; can be deleted.
