"""The triage desk inside the admin: `views` answer its addresses, every other module builds what a page shows."""
