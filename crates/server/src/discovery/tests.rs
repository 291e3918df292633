//! Discovery against real sockets; the list of ports is the test's own, so that nothing else is asked.
