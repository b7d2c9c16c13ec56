"""What travels between an integration and Kommo. Pure: nothing here opens a file or a socket."""
