"""Long work in steps: what is finished stays finished, what was begun is begun anew, and how long the rest takes."""
