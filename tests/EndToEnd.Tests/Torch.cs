namespace Distributed.EndToEnd.Tests;

/// <summary>Tests that use torch in this process run one after the other, since its threads and its random generator are shared.</summary>
[CollectionDefinition(Name)]
public sealed class Torch
{
    public const string Name = "torch";
}

/// <summary>Tests that need the whole machine.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
