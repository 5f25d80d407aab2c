"""What the client of a service is made of: address, sign-in, transport, and how answers become views and errors."""
