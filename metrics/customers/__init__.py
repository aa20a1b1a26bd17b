"""What a customer is worth: histories, cohorts, models of buying and of contracts (docs/customers.md). Pure; knows no file."""
