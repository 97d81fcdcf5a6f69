"""The dispatch flow: what is planned for an app's requests, and what happens to each of them."""
