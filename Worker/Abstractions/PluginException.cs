namespace Distributed.Worker.Abstractions;

/// <summary>A model or a task of the user's own that cannot be had. The message, for the user, says what was found and what to do.</summary>
public sealed class PluginException(string message, Exception? cause = null) : Exception(message, cause);
