namespace Distributed.Jobs;

/// <summary>A value by its name, which a class of a plugin is made with.</summary>
/// <param name="Name">In kebab-case: hidden-width.</param>
internal sealed record Setting(string Name, SettingValue Value)
{
    /// <summary>Settings that a section may have.</summary>
    public const int MaxCount = 64;

    /// <summary>Numbers that a list may have.</summary>
    public const int MaxListed = 256;

    /// <summary>Characters that a text may have.</summary>
    public const int MaxText = 256;
}

/// <summary>What a setting may be.</summary>
internal abstract record SettingValue
{
    private SettingValue()
    {
    }

    internal sealed record Flag(bool Value) : SettingValue;

    internal sealed record Whole(long Value) : SettingValue;

    /// <summary>A finite number that was not written as a whole one.</summary>
    internal sealed record Number(double Value) : SettingValue;

    internal sealed record Text(string Value) : SettingValue;

    internal sealed record Wholes(ValueList<long> Values) : SettingValue;

    /// <summary>Finite numbers, not all of them written as whole ones.</summary>
    internal sealed record Numbers(ValueList<double> Values) : SettingValue;
}
