namespace Distributed.Hosting.Processes;

/// <summary>A file of settings that cannot be used; the message says where and why, in a user's words.</summary>
internal sealed class SettingsException(string message, Exception? cause = null) : Exception(message, cause);
