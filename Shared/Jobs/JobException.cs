namespace Distributed.Jobs;

/// <summary>
/// A job cannot be used. The message says where the fault is, what was found and what is allowed, ready to be shown to the user.
/// </summary>
internal sealed class JobException(string message, Exception? innerException = null) : Exception(message, innerException);
