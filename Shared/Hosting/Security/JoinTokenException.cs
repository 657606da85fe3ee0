namespace Distributed.Hosting.Security;

/// <summary>A file that holds no join token, or one that others can read; the message says why, in a user's words.</summary>
internal sealed class JoinTokenException(string message, Exception? inner = null) : Exception(message, inner);
