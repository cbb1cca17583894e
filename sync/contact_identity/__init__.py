"""Identity of contacts: whose a contact at Engage is, and which keys of a customer are free."""
