"""What policies are built from: the conditions they decide under, rules, solvers and wrappers. Pure."""
