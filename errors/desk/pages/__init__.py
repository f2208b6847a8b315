"""The desk's pages inside the admin: thin doors, a module a subject, each with the addresses it answers in PAGES."""
