using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Cluster;

/// <param name="State">The trained state, as a safetensors file.</param>
/// <param name="Generations">Every generation and why it began.</param>
/// <param name="StepsRedone">Steps that had to be done again, because nobody was left who held them.</param>
internal sealed record RunResult(byte[] State, int Workers, IReadOnlyList<GenerationStart> Generations, long StepsRedone);
