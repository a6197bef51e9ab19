// Package reference writes the reference of commands and flags from the code, for tests that demand that docs/reference
// is what the code says, and that write it again with UPDATE_GOLDEN=1 (`make generate`).
package reference
