namespace Distributed.Transport.Security;

/// <summary>Certificates with which no process can be protected, or an address that must not be used without; the message says why, in a user's words.</summary>
internal sealed class CertificateException(string message, Exception? inner = null) : Exception(message, inner);
