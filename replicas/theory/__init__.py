"""One file a question: each turns a model and its parameters into a result with error, branch, stability and status."""
