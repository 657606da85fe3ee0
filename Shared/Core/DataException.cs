namespace Distributed.Core;

/// <summary>A data set is unknown, missing on this machine, or malformed. The message is meant for the user.</summary>
/// <param name="message">What was found, where, and what is allowed.</param>
/// <param name="inner">The cause, if there is one.</param>
public sealed class DataException(string message, Exception? inner = null) : Exception(message, inner);
