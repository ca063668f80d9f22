/* A self-signed certificate for 127.0.0.1, made on the spot. */
#ifndef DRC_TEST_CERTIFICATE_H
#define DRC_TEST_CERTIFICATE_H

/* PEM texts; the caller frees both. */
void certificate_make(char **certificate, char **key);

#endif
