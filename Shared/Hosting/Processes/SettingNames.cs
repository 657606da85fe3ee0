using System.CommandLine;

namespace Distributed.Hosting.Processes;

/// <summary>What an option is called beside the command line: --link-port is DISTRIBUTED_LINK_PORT in the environment, and link-port in a file of settings.</summary>
internal static class SettingNames
{
    /// <summary>What every variable of the project begins with.</summary>
    public const string Prefix = "DISTRIBUTED_";

    /// <summary>Variables with that prefix that are no options.</summary>
    public static IReadOnlyList<string> OtherVariables { get; } = ["DISTRIBUTED_DATA", "DISTRIBUTED_LIBTORCH", "DISTRIBUTED_WORKER", "DISTRIBUTED_TESTS"];

    public static string KeyOf(Option option) => option.Name.TrimStart('-');

    public static string VariableOf(Option option) => Prefix + KeyOf(option).Replace('-', '_').ToUpperInvariant();

    /// <summary>Whether a variable is one that could be an option's.</summary>
    public static bool IsSetting(string variable) => variable.StartsWith(Prefix, StringComparison.Ordinal) && !OtherVariables.Contains(variable);

    /// <summary>
    /// Takes all settings out of the environment of a process of the project that this one starts: it is told everything by its
    /// arguments, and the port of this one, say, is not for it.
    /// </summary>
    public static void RemoveFrom(IDictionary<string, string?> environment)
    {
        foreach (var setting in environment.Keys.Where(IsSetting).ToList()) environment.Remove(setting);
    }
}
