/** Passwords that makers ship: whoever reads a manual knows them. A hint for a person, never a refusal. Pure. */

/** As manuals and the makers' own advice against them have them; compared without regard to case. */
const SHIPPED = new Set(
  ("12345 123456 1234567 12345678 123456789 1234567890 1234 111111 000000 00000000 11111111 666666 888888 88888888 admin admin1 admin12 admin123 admin1234 admin12345 admin123456 " +
    "admin888 admin@123 admin9999 password pass 4321 9999 root user service supervisor system ubnt camera ikwd meinsm jvbzd hik12345 hik12345+ abcd1234 a1234567 tlJwpbo6 fliradmin wbox123 1111 0000").toLowerCase().split(" "),
);

/** Whether a maker ships this password, or it is none: the user's own name again. */
export function isFactory(username: string, password: string): boolean {
  const said = password.trim().toLowerCase();
  if (said === "") return false;
  return SHIPPED.has(said) || said === username.trim().toLowerCase();
}
