"""From a task and an arm to candidates: recorded generations, the programs in them, and the store that keeps both."""
