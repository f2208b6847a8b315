"""What the page of one error group shows, a module a part: values and rows, no requests."""
