namespace Distributed.Worker.Tests.Replicas;

/// <summary>
/// The collection of tests that run torch: its default generator and its threads are one for the process, so they run alone,
/// one after another.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TorchTests
{
    public const string Name = "torch";
}
