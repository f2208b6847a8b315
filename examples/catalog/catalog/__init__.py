"""A shop's catalog: an app with a table of its own, a page of the admin, and processors that the portal runs."""
