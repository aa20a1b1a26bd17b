"""What sites and webhooks send over HTTP becomes source records; an answer is given when the broker has them."""
