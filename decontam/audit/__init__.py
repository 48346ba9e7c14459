"""What is asked of a run later by those who were not there: is it whole, may it be trained on, why is a record gone, what is known."""
