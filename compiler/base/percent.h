/* Percent-encoding (RFC 3986, section 2.1), of which URLs, forms and W3C's baggage are written. */
#ifndef DRC_BASE_PERCENT_H
#define DRC_BASE_PERCENT_H

/* 0 to 15, or -1 for what is no hexadecimal digit, '\0' included. */
int hex_digit(char c);

/* In place; a '%' without two digits behind it stays as it is. "%00" ends the text. */
void percent_decode(char *text);

#endif
